"""Which characters does a captcha image contain? Multi-label transfer learning."""
