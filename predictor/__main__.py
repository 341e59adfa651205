"""`python -m predictor --http_port 8080 --grpc_port 8081`."""

from predictor.serving.server import main

main()
