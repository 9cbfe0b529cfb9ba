"""The chapters of the book and their sections, in reading order."""

CONTENTS: dict[str, tuple[str, ...]] = {
    "neurons": ("mcculloch_pitts", "perceptron", "perceptron_rule"),
    "networks": (
        "activations",
        "rectifiers",
        "smooth_rectifiers",
        "losses",
        "mlp",
        "backpropagation",
        "unstable_gradients",
        "depth_and_width",
    ),
    "optimization": ("gradient_descent", "momentum", "adam"),
    "cnn": ("convolution", "arithmetic", "pooling", "receptive_field", "cost"),
}
