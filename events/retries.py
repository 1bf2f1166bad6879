"""When a failed delivery is tried again. Pure."""

from datetime import datetime, timedelta
from typing import Final

# Pauses after the first, second … failure in a row, in seconds; the last one repeats. Short at first, because
# most failures are restarts; later twice a day, because somebody must first notice.
PAUSES_SECONDS: Final = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200)

# For how long one event is tried. A weekend, and a morning to repair what broke.
RETRIED_FOR: Final = timedelta(days=3)

# Pauses differ by up to this part, so that a thousand tenants' retries do not come at once.
JITTER: Final = 0.2

# Between two tries of a stream that is held: its receiver has failed for three days.
PROBE_SECONDS: Final = 3_600

# Longest pause that a receiver can ask for by Retry-After, in seconds.
RETRY_AFTER_SECONDS_MAX: Final = 43_200


def plan_retry(
    failures: int,
    failing_since: datetime,
    failed_at: datetime,
    jitter: float,
    *,
    is_held: bool = False,
    retry_after_seconds: float = 0.0,
) -> datetime | None:
    """Decide what follows a failed delivery.

    Args:
        failures: Deliveries of the event that failed so far, 1 or more.
        failing_since: When the first of them failed.
        failed_at: When the last one failed.
        jitter: From 0 to 1.
        is_held: Whether the stream is only probed.
        retry_after_seconds: What the receiver asked for, 0 if nothing.

    Returns:
        When to try again, the last time three days after the first failure; None once the event goes to the
        dead letters.
    """
    end = failing_since + RETRIED_FOR
    if failed_at >= end:
        return None
    pause = PROBE_SECONDS if is_held else PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS)) - 1]
    pause_seconds = pause * (1 + JITTER * (2 * jitter - 1))
    asked_seconds = min(retry_after_seconds, RETRY_AFTER_SECONDS_MAX)
    return min(failed_at + timedelta(seconds=max(pause_seconds, asked_seconds)), end)
