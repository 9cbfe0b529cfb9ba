"""The chapters of the book and their sections, in reading order."""

CONTENTS: dict[str, tuple[str, ...]] = {
    "neurons": ("mcculloch_pitts", "perceptron", "perceptron_rule"),
    "networks": (
        "activations",
        "rectifiers",
        "dying_relu",
        "maxout",
        "smooth_rectifiers",
        "losses",
    ),
    "optimization": ("gradient_descent", "momentum", "adam"),
    "cnn": ("convolution", "arithmetic", "pooling", "receptive_field", "cost"),
}
