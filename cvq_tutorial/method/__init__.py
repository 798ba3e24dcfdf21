"""THE METHOD: codes of pictures as causal variables. An evening's reading, in this order.

In: pictures (B, 3, H, W) in [0, 1]. Out: codes (B, N, C); a graph, a mask and a mechanism per
action; interventions, retrieved actions and plans.

1. `codebooks`: the nearest code, straight-through gradients, dead codes revived (EMA codebook)
2. `autoencoder`: pictures to codes and back: a local encoder, a decoder that looks further
3. `attention`: how a node hears its causes through gates (edges)
4. `causal_transition`: effects mask, edge probabilities, mechanism; the likelihood that sums over
   the mask (marginalised); the prices of an edge and of a set code
5. `model`: `CausalVQ`: encode, intervene (do), retrieve (name the action), plan, graph
6. `answers`: what it answers with, `Intervention` and `Retrieval`, and when to believe them
7. `plan`: the shortest sequence of actions from x to y
8. `prune`: cut the edges that nothing needs

Not needed to understand it: `published` (what the published code does otherwise), `fused` (the
gradients of `attention` written out, for speed).
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "codebooks": "Quantizer",
        "autoencoder": "QuantizedAutoencoder",
        "causal_transition": "CausalTransition TransitionLoss TransitionOutput transition_loss",
        "model": "CausalVQ",
        "answers": "Intervention Retrieval",
        "prune": "edge_cost",
        "published": "Variant make_model make_quantizer make_transition",
    },
)
