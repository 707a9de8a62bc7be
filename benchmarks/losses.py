"""What is lost, doubled and left in an old state by a script, by a cursor and by ours, over the same histories.

The histories are drawn to make races common (`histories.py`): read the ranking, not the rates.
Run: python benchmarks/losses.py [HISTORIES]
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import measure
from histories import Score, Shop, Strategy, play
from strategies import Cursor, Ours, Script

STRATEGIES: dict[str, Callable[[Shop], Strategy]] = {
    "script, > newest seen": Script,
    "cursor and upsert": Cursor,
    "reconcile": Ours,
}
ROW = "  {:<24}{:>8}{:>8}{:>14}{:>15}{:>9}{:>10}"


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(f"{number} histories of a shop ({measure.machine()})")
    print(ROW.format("", "orders", "lost", "in histories", "lost, said so", "doubled", "left old"))
    for name, make in STRATEGIES.items():
        score = sum((play(seed, make) for seed in range(number)), Score())
        print(
            ROW.format(name, score.orders, score.lost, score.histories, score.reported, score.doubled, score.left_old)
        )
    measure.verdict("losses of ours that nobody is told of", score.lost, 0)


if __name__ == "__main__":
    main()
