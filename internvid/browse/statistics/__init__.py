"""The report's section of statistics: the dataset's figures beside the paper's."""
