"""Check how Knative, KServe and KEDA run predictors: scaling, time limits, gateway, spelling."""
