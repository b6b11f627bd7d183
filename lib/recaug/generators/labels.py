"""Stands in until each generator's class says it itself: label, colours on light and on dark paper, an arm's rows."""

LABELS: dict[str, tuple[str, tuple[str, str], str]] = {
    "vae": ("VAE", ("#1f6fc4", "#6cb0f5"), ""),
    "gan": ("GAN", ("#c2570c", "#f0924a"), ""),
    "counts": ("counts", ("#1b7f79", "#4fc3bb"), "counts' rows"),
    "classic": ("classic", ("#8a5a00", "#d8b15a"), ""),
    "rare_items": ("rare items", ("#a3326b", "#ec87b6"), "rows of rare items"),
    "pseudo_prior": ("pseudo-prior", ("#4d6b1f", "#b1cf7a"), "rows with earlier events"),
}
