"""How bytes come here: direct http(s), and pages of sites through yt-dlp."""
