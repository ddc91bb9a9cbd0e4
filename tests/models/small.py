"""Options that make each model small; those of others than these are :data:`HIDDEN`."""

HIDDEN = ["model.hidden=[6,5]"]
ATTENTION = ["model.attention_layers=2", "model.attention_dim=6", "model.heads=2"]
SMALL = {
    "lr": [],
    "fm": [],
    "ffm": ["model.embedding_dim=3"],
    "ccpm": ["model.embedding_dim=3", "model.maps=[2,3]", "model.filters=[3,2]"],
    **{name: [] for name in ("hofm", "afm", "fwfm", "fmfm", "crossnet", "crossnet_v2")},
    "cin": ["model.cin_maps=[3,2]"],
    "xdeepfm": ["model.cin_maps=[3,2]", *HIDDEN],
    "autoint": ATTENTION,
    "autoint_plus": [*ATTENTION, *HIDDEN],
    "dlrm": ["model.bottom=[4]", *HIDDEN],
    "afn": ["model.logarithmic_neurons=4", *HIDDEN],
    "afn_plus": ["model.logarithmic_neurons=4", "model.second_hidden=[4,3]", *HIDDEN],
    "masknet": ["model.mask_blocks=2", "model.mask_units=4", "model.mask_ratio=0.2", *HIDDEN],
    "edcn": ["model.embedding_dim=3", "model.cross_layers=2"],
    "finalmlp": [
        "model.hidden=[5,4]",
        "model.second_hidden=[6]",
        "model.gate=[3]",
        "model.fusion_heads=2",
    ],
}
