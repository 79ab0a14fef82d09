"""No setting is forgotten: each one that AWS describes is carried, applied afterwards, or named as not carried."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from runbook_lib.restore import instance_settings, settings

_RDS = botocore.session.get_session().get_service_model("rds")


def described(shape: str) -> set[str]:
    return set(_RDS.shape_for(shape).members)


def taken_by(operation: str) -> set[str]:
    return set(_RDS.operation_model(operation).input_shape.members)


def test_every_member_of_a_cluster_is_sorted_once() -> None:
    carried = {member for member, _ in (settings.SENT | settings.AFTER | settings.PASSWORD).values()}
    sorts = [carried, set(settings.BY_HAND), set(settings.NOT_SETTINGS)]
    assert described("DBCluster") - set().union(*sorts) == set(), "new in AWS: decide what a restore does with these"
    assert set().union(*sorts) - described("DBCluster") == set(), "no longer in AWS"
    assert sum(map(len, sorts)) == len(set().union(*sorts)), "sorted twice"


def test_every_member_of_an_instance_is_sorted_once() -> None:
    carried = {member for member, _ in instance_settings.CREATED.values()}
    sorts = [carried, set(instance_settings.BY_HAND), set(instance_settings.NOT_SETTINGS)]
    assert described("DBInstance") - set().union(*sorts) == set(), "new in AWS: decide what a restore does with these"
    assert set().union(*sorts) - described("DBInstance") == set(), "no longer in AWS"
    assert sum(map(len, sorts)) == len(set().union(*sorts)), "sorted twice"


@pytest.mark.parametrize(
    ("parameters", "operation"),
    [
        (settings.SENT, "RestoreDBClusterToPointInTime"),
        (settings.SENT, "RestoreDBClusterFromSnapshot"),
        (settings.AFTER, "ModifyDBCluster"),
        (settings.PASSWORD, "ModifyDBCluster"),
        (instance_settings.CREATED, "CreateDBInstance"),
    ],
)
def test_aws_takes_each_parameter_where_it_is_sent(parameters: dict[str, Any], operation: str) -> None:
    assert set(parameters) <= taken_by(operation)


REFUSED = {"MonitoringInterval", "MonitoringRoleArn", "EnablePerformanceInsights", "PerformanceInsightsRetentionPeriod"}


def test_what_aws_refuses_in_a_restore_is_not_sent_there() -> None:
    """It should keep to FACTS 1.3 (boto/boto3#4634) although botocore's model lists these parameters."""
    assert not REFUSED & set(settings.SENT)
    assert set(settings.AFTER) >= REFUSED
