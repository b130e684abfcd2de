"""What exports for readers share: tables of videos, splits."""
