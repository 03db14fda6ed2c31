"""Tables of a run's folder, as Parquet."""

from pathlib import Path

import pandas as pd
from pyarrow import ArrowException, parquet

from ..core.errors import RunError
from ..core.files import refuse_damaged, write_sealed

LARGEST_TABLE = 2**31
"""Values of the largest Parquet table that is read."""


def write_table(path: Path, rows: pd.DataFrame) -> None:
    """Write a table as Parquet."""
    write_sealed(path, lambda part: rows.to_parquet(part, index=False))


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet table back.

    Raises:
        RunError: if it is not there or not whole.
    """
    try:
        refuse_damaged(path)
        facts = parquet.read_metadata(path)
        if (values := facts.num_rows * facts.num_columns) > LARGEST_TABLE:
            raise ValueError(f"it has {values} values; {LARGEST_TABLE} are read at most")
        return pd.read_parquet(path, engine="pyarrow")
    # pandas believes what is written beside the columns, and stumbles over it in many ways.
    except (OSError, ValueError, KeyError, TypeError, OverflowError, ArrowException) as error:
        raise RunError(f"Cannot read {path} ({error}). Delete it to begin anew.") from error
