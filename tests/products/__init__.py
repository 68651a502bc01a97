"""Tests of products: its rules read aloud."""
