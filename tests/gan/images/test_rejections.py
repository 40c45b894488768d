"""Refusals travel between processes with their reason and what was found."""

import pickle

from gan.images.rejections import REASONS, Refused


def test_a_refusal_survives_the_way_between_processes():
    refused = pickle.loads(pickle.dumps(Refused("too-large", "9 x 9 px")))
    assert (refused.reason, refused.detail) == ("too-large", "9 x 9 px")


def test_without_a_detail_the_reason_is_explained():
    assert Refused("empty").detail == REASONS["empty"]
