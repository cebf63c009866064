"""The demonstration: a small real service, and the story that `gitslo demo` tells with it."""
