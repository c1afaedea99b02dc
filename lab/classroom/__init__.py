"""A class's submissions: taken in, graded side by side, kept, judged again and handed back."""
