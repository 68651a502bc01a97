"""What is promised to others: stays true, stays readable, cannot be broken unnoticed."""
