"""The wheel's front door for spokes' notebooks; its version is the project's."""

__version__ = "0.1.0"
