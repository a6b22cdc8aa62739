"""The base of every noun: validated once, never changed, no unknown keys."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A validated, immutable record. An unknown key is an error, so a typing mistake never runs a study."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
