"""What each role sees first."""
def overview(request, context):
    return context
