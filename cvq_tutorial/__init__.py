"""Causal graphs over the codes of a quantised autoencoder, to learn from and to explore.

Shape letters, everywhere in this package: B batch, N nodes (places of the code map, row-major),
C codebooks, K codes, D width, F factors, A = 2F actions. Images of a world are numpy uint8
(B, H, W, 3); models take torch float32 (B, 3, H, W) in [0, 1]; codes are int64 (B, N, C).
"""

__version__ = "0.1.0"
