"""The panels of the Grafana dashboard, row by row: title, unit, what it says, queries with their legends.

`$namespace`, `$model` and `$price` are variables of the dashboard; `$__rate_interval` and `$__range` are
Grafana's. Numbers from the database are the same in every replica, hence `max by`; counters of replicas and
predictors are added up.
"""

from __future__ import annotations

from dataclasses import dataclass

N = 'namespace=~"$namespace"'
M = f'{N}, model=~"$model"'
RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """One panel. `queries` are (expression, legend); `bars` shows counts per interval, `stat` a number."""

    title: str
    unit: str
    text: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "lines"


def quantile(share: float, metric: str, labels: str, selector: str) -> str:
    """Return the query of a quantile over an hour, since a video takes minutes."""
    return f"histogram_quantile({share}, sum by (le, {labels}) (rate({metric}_bucket{{{selector}}}[1h])))"


def mean(metric: str, labels: str, selector: str) -> str:
    """Return the query of a mean over an hour."""
    total, count = (
        f"sum by ({labels}) (rate({metric}_{part}{{{selector}}}[1h]))" for part in ("sum", "count")
    )
    return f"{total} / {count}"


def count(metric: str, labels: str, selector: str) -> str:
    """Return the query of how often something happened in each interval."""
    return f"sum by ({labels}) (increase({metric}{{{selector}}}{RATE}))"


def latest(metric: str, labels: str, selector: str) -> str:
    """Return the query of a number that every replica shows."""
    return f"max by ({labels}) ({metric}{{{selector}}})"


SERVICE = (
    Panel(
        "Jobs that wait", "short", "Queued jobs by model and lane, from the database.",
        ((latest("reelzero_jobs", "model, lane", f'{M}, status="queued"'), "{{model}}/{{lane}}"),),
    ),
    Panel(
        "Oldest job and its goal", "s",
        "How long the oldest queued job has waited. Above its goal for five minutes: ReelzeroOldestJobLate.",
        (
            (latest("reelzero_queue_oldest_age_seconds", "model, lane", M), "{{model}}/{{lane}}"),
            (latest("reelzero_queue_goal_seconds", "model, lane", M), "goal of {{model}}/{{lane}}"),
        ),
    ),
    Panel(
        "Jobs that ended", "short", "By how they ended, in each interval.",
        ((count("reelzero_jobs_ended_total", "status", M), "{{status}}"),), "bars",
    ),
    Panel(
        "Failed share", "percentunit", "Failed jobs among those that completed or failed in the last hour.",
        ((
            f'sum by (model) (increase(reelzero_jobs_ended_total{{{M}, status="failed"}}[1h]))'
            f' / sum by (model) (increase(reelzero_jobs_ended_total{{{M}, status=~"completed|failed"}}[1h]))',
            "{{model}}",
        ),),
    ),
    Panel(
        "From submission to video", "s", "Median and 95th percentile of completed jobs over an hour.",
        (
            (quantile(0.5, "reelzero_job_seconds", "model", f'{M}, status="completed"'), "{{model}} median"),
            (quantile(0.95, "reelzero_job_seconds", "model", f'{M}, status="completed"'), "{{model}} 95 %"),
        ),
    ),
    Panel(
        "HTTP answers per second", "reqps", "Of eventing and the predictors, by status.",
        ((f"sum by (status) (rate(reelzero_http_requests_total{{{N}}}{RATE}))", "{{status}}"),),
    ),
    Panel(
        "HTTP latency", "s", "95th percentile by route, until the head of the answer.",
        ((quantile(0.95, "reelzero_http_request_seconds", "method, route", N), "{{method}} {{route}}"),),
    ),
    Panel(
        "Refused requests", "short", "By reason, in each interval.",
        ((count("reelzero_requests_refused_total", "reason", N), "{{reason}}"),), "bars",
    ),
    Panel(
        "Database and S3 latency", "s", "95th percentile of transactions and calls over an hour.",
        (
            (quantile(0.95, "reelzero_database_transaction_seconds", "access", N), "database {{access}}"),
            (quantile(0.95, "reelzero_s3_request_seconds", "operation", N), "S3 {{operation}}"),
        ),
    ),
    Panel(
        "Database and S3 errors", "short", "Transactions and calls that failed, in each interval.",
        (
            (count("reelzero_database_errors_total", "access", N), "database {{access}}"),
            (count("reelzero_s3_errors_total", "operation", N), "S3 {{operation}}"),
        ), "bars",
    ),
    Panel(
        "Volumes in use", "percentunit", "Above 80 % an alert fires.",
        ((
            f"1 - reelzero_volume_free_bytes{{{N}}} / reelzero_volume_size_bytes{{{N}}}",
            "{{volume}} {{pod}} {{instance}}",
        ),),
    ),
    Panel(
        "Certificates and tokens", "s", "Seconds until they lapse.",
        (
            (
                f"min by (purpose) (reelzero_certificate_expiry_timestamp_seconds{{{N}}}) - time()",
                "certificate {{purpose}}",
            ),
            (
                f"min by (purpose) (reelzero_token_expiry_timestamp_seconds{{{N}}}) - time()",
                "token {{purpose}}",
            ),
        ),
    ),
    Panel(
        "Releases that run", "short", "Processes that are scraped, by component and version.",
        ((f"count by (component, version) (reelzero_build_info{{{N}}})", "{{component}} {{version}}"),),
        "stat",
    ),
)  # fmt: skip
MODELS = (
    Panel(
        "Slots", "short", "Jobs that may run at once, and those that do, by pool.",
        ((f"max by (pool, state) (reelzero_slots{{{N}}})", "{{pool}} {{state}}"),),
    ),
    Panel(
        "Wait in the queue", "s", "95th percentile of submission to claim over an hour.",
        ((quantile(0.95, "reelzero_queue_seconds", "model, lane", M), "{{model}}/{{lane}}"),),
    ),
    Panel(
        "Starts", "short", "Cold: the weights were loaded for the job. Warm: they were in memory.",
        (
            (count("reelzero_cold_start_seconds_count", "model", M), "{{model}} cold"),
            (count("reelzero_warm_start_seconds_count", "model", M), "{{model}} warm"),
        ), "bars",
    ),
    Panel(
        "Seconds of a start", "s", "Mean from claim to the predictor's first word over an hour.",
        (
            (mean("reelzero_cold_start_seconds", "model", M), "{{model}} cold"),
            (mean("reelzero_warm_start_seconds", "model", M), "{{model}} warm"),
        ),
    ),
    Panel(
        "Stages of a video", "s", "Mean seconds of each stage over an hour.",
        ((mean("reelzero_stage_seconds", "model, stage", M), "{{model}} {{stage}}"),),
    ),
    Panel(
        "Steps per second", "short", "Of the last finished denoising, by predictor.",
        ((f"reelzero_denoise_steps_per_second{{{M}}}", "{{model}} {{pod}} {{instance}}"),),
    ),
    Panel(
        "Failed starts in a row", "short", "Three pause the model until a probe succeeds.",
        (
            (latest("reelzero_consecutive_start_failures", "model, lane", M), "{{model}}/{{lane}}"),
            (latest("reelzero_model_paused", "model, lane", M), "{{model}}/{{lane}} is paused"),
        ),
    ),
    Panel(
        "Attempts", "short", "Begun, given back to the queue, lapsed, and finished files that were found.",
        (
            (count("reelzero_attempts_total", "model", M), "{{model}} begun"),
            (count("reelzero_jobs_put_back_total", "model, code", M), "{{model}} put back: {{code}}"),
            (count("reelzero_leases_lapsed_total", "model", M), "{{model}} lapsed"),
            (count("reelzero_results_adopted_total", "model", M), "{{model}} adopted"),
        ), "bars",
    ),
    Panel(
        "Predictors", "short", "Processes by state.",
        ((f"sum by (model, state) (reelzero_predictor_state{{{M}}})", "{{model}} {{state}}"),),
    ),
    Panel(
        "Upload", "Bps", "Bytes per second to object storage.",
        ((f"sum by (model) (rate(reelzero_upload_bytes_total{{{M}}}{RATE}))", "{{model}}"),),
    ),
    Panel(
        "GPU memory in use", "percentunit", "By card, from NVML; empty without a card.",
        ((
            f"reelzero_gpu_memory_used_bytes{{{N}}} / reelzero_gpu_memory_size_bytes{{{N}}}",
            "{{pod}} {{gpu}}",
        ),),
    ),
    Panel(
        "GPU utilisation", "percentunit", "By card, from NVML; empty without a card.",
        ((f"reelzero_gpu_utilization_ratio{{{N}}}", "{{pod}} {{gpu}}"),),
    ),
)  # fmt: skip
DELIVERIES = (
    Panel(
        "Tries", "short", "By destination and outcome: failed is tried again, dead is not.",
        ((count("reelzero_deliveries_total", "destination, outcome", N), "{{destination}} {{outcome}}"),),
        "bars",
    ),
    Panel(
        "Messages not delivered", "short", "Pending ones are tried again, dead ones are not.",
        ((latest("reelzero_outbox_messages", "destination, status", N), "{{destination}} {{status}}"),),
    ),
    Panel(
        "Oldest pending message", "s", "How long it has waited, by destination.",
        ((latest("reelzero_outbox_oldest_age_seconds", "destination", N), "{{destination}}"),),
    ),
    Panel(
        "From event to delivery", "s", "95th percentile over all tries and an hour.",
        ((quantile(0.95, "reelzero_delivery_lag_seconds", "destination", N), "{{destination}}"),),
    ),
    Panel(
        "Seconds of one try", "s", "95th percentile over an hour.",
        ((quantile(0.95, "reelzero_delivery_seconds", "destination", N), "{{destination}}"),),
    ),
    Panel(
        "Dead letters", "short",
        "Request events that the Broker could not deliver: kept now, and received in each interval.",
        (
            (f"max(reelzero_dead_letters{{{N}}})", "kept"),
            (f"sum(increase(reelzero_dead_letters_total{{{N}}}{RATE}))", "received"),
        ),
    ),
)  # fmt: skip
COST = (
    Panel(
        "Devices by what they do", "short", "Paid is the sum: loading weights, busy with a job, idle.",
        ((f"sum by (state) (rate(reelzero_gpu_seconds_total{{{M}}}{RATE}))", "{{state}}"),),
    ),
    Panel(
        "Paid for each second used", "short",
        "1 is the best: every paid second works on a job. Over the shown time.",
        ((
            f"sum by (model) (increase(reelzero_gpu_seconds_total{{{M}}}[$__range]))"
            f' / sum by (model) (increase(reelzero_gpu_seconds_total{{{M}, state="busy"}}[$__range]))',
            "{{model}}",
        ),), "stat",
    ),
    Panel(
        "GPU-hours", "h", "Paid in the shown time, by model.",
        ((f"sum by (model) (increase(reelzero_gpu_seconds_total{{{M}}}[$__range])) / 3600", "{{model}}"),),
        "stat",
    ),
    Panel(
        "Money", "short", "GPU-hours of the shown time times the price in the variable above.",
        ((
            f"sum by (model) (increase(reelzero_gpu_seconds_total{{{M}}}[$__range])) / 3600 * $price",
            "{{model}}",
        ),), "stat",
    ),
    Panel(
        "Wasted device-seconds", "s", "Of attempts that made no video, by what ended them, in each interval.",
        ((count("reelzero_gpu_wasted_seconds_total", "model, outcome", M), "{{model}} {{outcome}}"),), "bars",
    ),
    Panel(
        "Device-seconds of a video", "s", "Busy seconds for each completed job over an hour.",
        ((
            f'sum by (model) (increase(reelzero_gpu_seconds_total{{{M}, state="busy"}}[1h]))'
            f' / sum by (model) (increase(reelzero_jobs_ended_total{{{M}, status="completed"}}[1h]))',
            "{{model}}",
        ),),
    ),
)  # fmt: skip
ROWS = {"Service": SERVICE, "Models": MODELS, "Deliveries": DELIVERIES, "Cost": COST}
