"""Tell people: the report to an SNS topic, or to a chat that takes incoming webhooks."""

from __future__ import annotations

import httpx

from infra.load.report import Report

SUBJECT_CHARACTERS = 100
"""Of an e-mail that SNS sends. Source: SNS's API reference, Publish."""


def tell_topic(topic_arn: str, report: Report, broken: list[str]) -> None:
    """Publish it to an SNS topic, by the credentials of the environment."""
    import boto3

    # The ARN has the region of the topic.
    boto3.client("sns", region_name=topic_arn.split(":")[3]).publish(
        TopicArn=topic_arn, Subject=_headline(report, broken)[:SUBJECT_CHARACTERS], Message=_message(report, broken)
    )


def tell_chat(url: str, report: Report, broken: list[str]) -> None:
    """Post it to an incoming webhook of Slack, or of whatever takes `{"text": …}`.

    Raises:
        httpx.HTTPError: the chat did not take it.
    """
    text = f"*{_headline(report, broken)}*\n```\n{_message(report, broken)}\n```"
    httpx.post(url, json={"text": text}, timeout=10).raise_for_status()


def _headline(report: Report, broken: list[str]) -> str:
    verdict = "does not hold" if broken else "holds"
    return f"reelscan load {verdict}: {report.requests_per_second:.0f} requests/s, p99 {report.total.p99_ms:.0f} ms"


def _message(report: Report, broken: list[str]) -> str:
    return "\n".join([*broken, "" if broken else "All bounds hold.", report.to_text()])
