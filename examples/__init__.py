"""Programs that use Glimpse."""
