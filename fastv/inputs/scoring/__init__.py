"""How good an answer is, by the measures of the field, one module per measure; see ``registry``. No torch."""
