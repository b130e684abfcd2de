"""What is kept and what is chosen: filters, subsets."""
