"""Tests of profiles: its rules read aloud."""
