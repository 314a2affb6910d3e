"""Services of one pool each, under 80 lines: programs that are started by path, and import nothing of the project.

psycopg 3: `psycopg_pool_sync`, `psycopg_pool_async`. Under SQLAlchemy: `sqlalchemy_sync`, `sqlalchemy_async`, `sqlalchemy_pg8000`.
Of their own: `psycopg2_pool`, `asyncpg_pool`. Django's: `django_persistent`, `django_pool`. The control: `no_pool`.
"""
