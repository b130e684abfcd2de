"""Questions and answers about clips and videos, each answer with what proves it."""
