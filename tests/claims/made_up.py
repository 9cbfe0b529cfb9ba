"""Made-up measurements, for the rules of claims."""


def near(mean: float) -> list[float]:
    """Return a value a seed, close to a mean."""
    return [mean + 0.001 * k for k in (-2, -1, 0, 1, 2)]


def far_apart(mean: float) -> list[float]:
    """Return values too far apart to tell their mean from another."""
    return [mean + k for k in (40, -30, 20, -20, -10)]
