"""Turn one request at a time into a video, in one KServe process.

Only this package imports torch. It keeps no job state; eventing does.
"""

from predictor import later

later.install()  # before anything imports the libraries
