"""The gRPC interface of the embedded Pub/Sub: methods, requests, error statuses."""

import contextlib
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from local.pubsub.api import types
from local.pubsub.limits import RefusalError
from local.pubsub.service import PubSubService

Untyped = Any  # gRPC and protobuf come untyped
Method = Callable[[Untyped, Untyped], Awaitable[Untyped]]  # request and gRPC context


def handlers(service: PubSubService) -> list[grpc.GenericRpcHandler]:
    publisher = {
        "CreateTopic": (service.create_topic, types.Topic),
        "GetTopic": (service.get_topic, types.GetTopicRequest),
        "ListTopics": (service.list_topics, types.ListTopicsRequest),
        "ListTopicSubscriptions": (
            service.list_topic_subscriptions,
            types.ListTopicSubscriptionsRequest,
        ),
        "DeleteTopic": (service.delete_topic, types.DeleteTopicRequest),
        "Publish": (service.publish, types.PublishRequest),
    }
    subscriber = {
        "CreateSubscription": (service.create_subscription, types.Subscription),
        "GetSubscription": (service.get_subscription, types.GetSubscriptionRequest),
        "ListSubscriptions": (
            service.list_subscriptions,
            types.ListSubscriptionsRequest,
        ),
        "UpdateSubscription": (
            service.update_subscription,
            types.UpdateSubscriptionRequest,
        ),
        "DeleteSubscription": (
            service.delete_subscription,
            types.DeleteSubscriptionRequest,
        ),
        "Seek": (service.seek, types.SeekRequest),
        "Acknowledge": (service.acknowledge, types.AcknowledgeRequest),
        "ModifyAckDeadline": (
            service.modify_ack_deadline,
            types.ModifyAckDeadlineRequest,
        ),
    }

    async def pull(request: Untyped, context: Untyped) -> Untyped:
        return await service.pull(request, context.time_remaining())

    delivery = {
        "Pull": _unary(pull, types.PullRequest),
        "StreamingPull": _stream(service.streaming_pull, types.StreamingPullRequest),
    }
    return [
        grpc.method_handlers_generic_handler(
            "google.pubsub.v1.Publisher", _committing(service, publisher)
        ),
        grpc.method_handlers_generic_handler(
            "google.pubsub.v1.Subscriber", _committing(service, subscriber) | delivery
        ),
    ]


def _committing(
    service: PubSubService,
    methods: dict[str, tuple[Callable[[Untyped], Untyped], Untyped]],
) -> dict[str, Untyped]:
    """Handlers of methods, each call one transaction."""

    def committed(method: Callable[[Untyped], Untyped]) -> Method:
        async def answer(request: Untyped, _: Untyped) -> Untyped:
            with service.transaction():
                return method(request)

        return answer

    return {
        name: _unary(committed(method), request_type)
        for name, (method, request_type) in methods.items()
    }


def _unary(method: Method, request_type: Untyped) -> Untyped:
    async def handle(request: Untyped, context: Untyped) -> Untyped:
        async with _refusing(context):
            return await method(request, context)

    return grpc.unary_unary_rpc_method_handler(
        handle, request_type.pb().FromString, _serialised
    )


def _stream(
    method: Callable[[AsyncIterator[Untyped]], AsyncGenerator[Untyped, None]],
    request_type: Untyped,
) -> Untyped:
    async def handle(
        requests: AsyncIterator[Untyped], context: Untyped
    ) -> AsyncIterator[Untyped]:
        async with (
            _refusing(context),
            contextlib.aclosing(method(aiter(requests))) as replies,
        ):
            async for reply in replies:
                yield reply

    return grpc.stream_stream_rpc_method_handler(
        handle, request_type.pb().FromString, _serialised
    )


@contextlib.asynccontextmanager
async def _refusing(context: Untyped) -> AsyncIterator[None]:
    """Turns a refusal into its status, and a failed store into one to retry."""
    try:
        yield
    except RefusalError as refusal:
        await context.abort(refusal.code, refusal.details)
    except sqlite3.Error as error:
        await context.abort(grpc.StatusCode.UNAVAILABLE, f"message store: {error}")


def _serialised(message: Untyped) -> bytes:
    return bytes(message.SerializeToString())
