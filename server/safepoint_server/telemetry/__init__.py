"""What operators watch the server by: metrics, and spans. Its log lines are in `logs.py`."""
