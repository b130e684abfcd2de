"""Search phrases: from label lists and texts, merged, filtered, with their origin."""
