"""SQLAlchemy: tables, mappers, stores and the unit of work. SQL lives here and nowhere else."""
