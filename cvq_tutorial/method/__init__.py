"""THE METHOD: codes of pictures as causal variables. An evening's reading, in this order.

In: pictures (B, 3, H, W) in [0, 1]. Out: codes (B, N, C); a graph, a mask and a mechanism per
action; interventions, retrieved actions and plans.

1. `codebooks`: the nearest code, straight-through gradients, dead codes revived
2. `autoencoder`: a local encoder, a decoder that looks further
3. `attention`: how a node hears its causes through gates
4. `causal_transition`: effects mask, edge probabilities, mechanism; the likelihood that sums over
   the mask; the prices of an edge and of a set code
5. `model`: `CausalVQ`: encode, intervene (do), retrieve (name the action), plan, graph
6. `plan`: the shortest sequence of actions from x to y
7. `prune`: cut the edges that nothing needs
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "codebooks": "Quantizer",
        "autoencoder": "QuantizedAutoencoder",
        "causal_transition": (
            "CausalTransition TransitionLoss TransitionOutput Variant transition_loss"
        ),
        "model": "CausalVQ Intervention Retrieval",
        "prune": "edge_cost",
    },
)
