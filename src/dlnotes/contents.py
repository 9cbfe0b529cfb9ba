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
        "regression_losses",
        "mlp",
        "backpropagation",
        "automatic_differentiation",
        "unstable_gradients",
        "depth_and_width",
        "tsne",
    ),
    "optimization": (
        "gradient_descent",
        "momentum",
        "rmsprop",
        "adadelta",
        "adam",
        "adam_variants",
    ),
    "cnn": ("convolution", "arithmetic", "pooling", "receptive_field", "cost"),
}
