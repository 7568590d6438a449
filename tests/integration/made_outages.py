"""A made-up REMIT message."""

from typing import Any


def report(mrid: str, **more: Any) -> dict[str, Any]:
    """A message: 300 of 500 MW of ABCD-1 are lost from 5 to 8 May."""
    return {
        "mrid": mrid,
        "revisionNumber": 1,
        "publishTime": "2026-05-05T08:00:00Z",
        "createdTime": "2026-05-05T08:00:00Z",
        "messageType": "UnavailabilitiesOfElectricityFacilities",
        "eventType": "Production unavailability",
        "unavailabilityType": "Unplanned",
        "participantId": "OWNER",
        "affectedUnit": "ABCD-1",
        "fuelType": "Fossil Gas",
        "normalCapacity": 500,
        "availableCapacity": 200,
        "unavailableCapacity": 300,
        "eventStatus": "Active",
        "eventStartTime": "2026-05-05T10:00:00Z",
        "eventEndTime": "2026-05-08T10:00:00Z",
        "cause": "Turbine",
        **more,
    }
