"""One file per distillation method; each defines one `Distiller`."""
