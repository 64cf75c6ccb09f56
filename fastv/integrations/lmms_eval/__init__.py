"""A model of lmms-eval that prunes visual tokens: ``lmms-eval eval --model fastv``.

lmms-eval finds it by the entry point ``lmms_eval.models``; it is tested with lmms-eval 0.7.3.
"""
