"""The rules of logging in: pure, told the time, told what was tried."""
