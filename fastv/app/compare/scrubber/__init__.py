"""One slider over R that shows at once what is dropped and what the answer becomes: recorded, or in one pass."""
