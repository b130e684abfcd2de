"""Kinds of models that one loop trains: the contract, and what each kind gives."""
