"""Explorers: what the lessons put under the reader's hands.

In: a model, a world, a picture. Out: a box of ipywidgets, to be shown as a cell's value. Read
`base` (what all of them share), then one, such as `plan`; `graph` with `widget` and its JavaScript
is the largest.

* `FactorExplorer(world, model)`: move a factor; the true image, the decoded one, and the codes
  follow.
* `CodeEditor(model, image)`: set a code; the decoded image follows.
* `ActionPad(model, world)`: do actions one after another.
* `PlanExplorer(model, world)`: choose two images; the model finds the actions between them.
* `RetrievalGame(model, world)`: name the action between two images, against the model.
* `GraphExplorer(model, image or world, action)`: causes and effects of a node as arrows over the
  image; hold a node at a code, cut an edge, and compare.
* `SamplesExplorer()`, `RatioExplorer(solution, truth)`, `TwinExplorer(world)`, `BetExplorer(rows)`:
  what can be identified.
* `UnnamedExplorer(model, world)`: learnt actions without names; try, name and merge them.
* `TrainingMonitor(world)`: watch `train.train(..., on_log=monitor)`.

All of them: what is shown is readable as traits and as the line `.summary`; what a reader can set
can be set from Python, which raises on a wrong value; an error in a callback appears under the
explorer and in `.last_error`; `.snapshot()` is a picture of it, which its cell stores; `.close()`
frees it. See `explore.base`.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "actions": "ActionPad",
        "base": "Explorer handled",
        "codes": "CodeEditor FactorExplorer",
        "frames": "Frame make_frame",
        "game": "RetrievalGame",
        "given": "start_image",
        "graph": "GraphExplorer",
        "identified": "BetExplorer RatioExplorer SamplesExplorer TwinExplorer",
        "plan": "PlanExplorer",
        "training": "TrainingMonitor",
        "unnamed": "UnnamedExplorer",
        "widget": "GraphWidget",
    },
)
