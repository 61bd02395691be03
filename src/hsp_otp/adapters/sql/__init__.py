"""Every store in one SQL database, through SQLAlchemy Core."""
