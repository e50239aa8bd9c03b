# The Functions host wants a file of this name beside host.json. Python imports the package `function_app` instead.
