"""What a visitor reads when the app itself fails; the details go to the log only."""

INTERNAL_ERROR = "Internal error; see the app log. Please try again."
