"""Tests of company: its rules read aloud."""
