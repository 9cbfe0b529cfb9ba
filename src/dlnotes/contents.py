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
        "landscape",
        "gradient_descent",
        "momentum",
        "nesterov",
        "adagrad",
        "rmsprop",
        "adadelta",
        "adam",
        "adam_variants",
        "learning_rate",
    ),
    "cnn": ("convolution", "arithmetic", "pooling", "receptive_field", "cost"),
}
