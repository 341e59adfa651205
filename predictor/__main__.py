"""`python -m predictor --http_port 8080 --grpc_port 8081`."""

from contextlib import suppress

from eventing.contract.env import WeightsSettings, read
from eventing.contract.errors import ConfigurationError
from predictor import collector, read_ahead

with suppress(ConfigurationError):  # the server meets it too, and says so
    collector.rest()  # until the worker has loaded the model
    read_ahead.begin(read(WeightsSettings).weights_folder())

from predictor.serving.server import main

main()
