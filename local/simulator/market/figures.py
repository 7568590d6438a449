"""The market's constants, each with its unit: what makes a day look like one of GB.

Orders of magnitude of 2025 and 2026. Nothing here is a measurement of one day.
"""

HALF_HOUR_SECONDS = 1800
HOUR_SECONDS = 3600
DAY_SECONDS = 86_400

# Demand before embedded solar, MW: the mean of a winter and of a summer day.
WINTER_DEMAND_MW = 34_000
SUMMER_DEMAND_MW = 28_500
WEEKEND_FACTOR = 0.92
# More demand for each degree below 15, MW: electric heating.
HEATING_MW_PER_DEGREE = 230
MILD_DEGREES = 15.0
DEMAND_NOISE_MW = 350
# Demand of power stations themselves: in ITSDO and not in INDO, MW.
STATION_LOAD_MW = 500
# The shape of a day by local hour, relative to its mean.
WORKING_DAY_SHAPE = (
    *(0.78, 0.75, 0.73, 0.72, 0.73, 0.78, 0.88, 0.99, 1.05, 1.06, 1.06, 1.07),
    *(1.07, 1.06, 1.05, 1.06, 1.11, 1.19, 1.21, 1.17, 1.10, 1.03, 0.93, 0.85),
)
WEEKEND_SHAPE = (
    *(0.82, 0.78, 0.76, 0.75, 0.75, 0.77, 0.81, 0.88, 0.97, 1.04, 1.08, 1.11),
    *(1.13, 1.12, 1.09, 1.08, 1.12, 1.20, 1.22, 1.18, 1.11, 1.04, 0.96, 0.88),
)
# Embedded solar, which lowers demand on the transmission system: MW at full sun.
SOLAR_MW = 14_000
LATITUDE_DEGREES = 52.5

# The mean of the year, and how far season, hour and weather move it, degrees C.
MEAN_DEGREES = 10.5
SEASON_DEGREES = 6.5
DAILY_DEGREES = 2.8
WEATHER_DEGREES = 4.0
# The day of the year that is coldest on average.
COLDEST_DAY = 25

# Load factors of wind farms: a logistic curve over the weather, lower in summer.
WIND_STEEPNESS = 5.2
WIND_SUMMER = -0.7
WIND_WINTER = 0.3
WIND_AVAILABLE = 0.95
WIND_REGIONS = 4

# What the system is short of what was notified, MW: slow and fast parts.
IMBALANCE_SLOW_MW = 430
IMBALANCE_FAST_MW = 260

# Output of the steady fuels, as a share of the capacity that is available.
NUCLEAR_SHARE = 0.97
BIOMASS_SHARE = 0.72
BIOMASS_SWING = 0.22
HYDRO_SHARE = 0.42
HYDRO_SWING = 0.28
OTHER_SHARE = 0.78
OTHER_SWING = 0.15
# In FUELINST alone: small plants without a BM unit, MW.
SMALL_PLANTS_MW = 480

# Gas stations: what must run for inertia; how far below full they are notified.
GAS_FLOOR_MW = 1_900
NOTIFIED_SHARE = 0.92
# Below this share of its capacity a gas station cannot run.
STABLE_SHARE = 0.45

# Flows follow what is left for gas and interconnectors: no flow at this many MW, full
# import this many MW above it.
NEUTRAL_RESIDUAL_MW = 5_000
FULL_IMPORT_SPAN_MW = 14_000

# The index price, GBP/MWh: gas sets it, wind breaks it.
GAS_PRICE = 58.0
GAS_PRICE_SWING = 9.0
SCARCITY_PRICE = 62.0
SURPLUS_PRICE = 140.0
TYPICAL_GAS_MW = 8_500
EMPTY_GAS_MW = 6_000

# System frequency, Hz: the sizes of wanders of 17 minutes, 3 minutes and 40 seconds.
NOMINAL_HZ = 50.0
WANDER_HZ = ((1020, 0.095), (190, 0.06), (40, 0.045))
HZ_BOUNDS = (49.75, 50.25)

# What storage gives back of what it took: a pump three quarters, a battery 86 %.
PUMPED_STORAGE_EFFICIENCY, BATTERY_EFFICIENCY = 0.75, 0.86

# Boundaries of the forecasts, and the share of demand and generation behind each.
BOUNDARY_SHARES = (
    *(0.03, 0.04, 0.05, 0.08, 0.09, 0.05, 0.07, 0.06, 0.07),
    *(0.05, 0.04, 0.08, 0.06, 0.05, 0.07, 0.06, 0.05),
)

# The share of values that are published again, with a small change.
CORRECTED_SHARE = 0.02
# The share of messages that are sent twice.
REPEATED_SHARE = 0.003
