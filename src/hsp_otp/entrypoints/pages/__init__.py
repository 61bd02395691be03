"""The pages for people: home, login and signup."""
