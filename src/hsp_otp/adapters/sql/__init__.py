"""All stores in one SQL database, through SQLAlchemy Core."""
