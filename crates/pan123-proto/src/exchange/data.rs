//! The part of an exchange that knows the type of the response.

use bytes::Bytes;
use http::Response;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::machine::Step;
use crate::wire::failure::Failure;
use crate::wire::response::{Decoder, ResponseFormat};

/// Reads the data of a response and keeps it.
pub(crate) trait ResponseReader {
    fn read(
        &mut self,
        decoder: &Decoder<'_>,
        format: ResponseFormat,
        response: &Response<Bytes>,
    ) -> Result<(), Failure>;
}

/// How data of one type is read.
pub(crate) type ReadData<T> =
    fn(&Decoder<'_>, ResponseFormat, &Response<Bytes>) -> Result<T, Failure>;

pub(crate) fn read_data<T: DeserializeOwned>() -> ReadData<T> {
    |decoder, format, response| decoder.read(format, response)
}

/// The data of one type, once it has been read.
pub(crate) struct Data<T> {
    read: ReadData<T>,
    value: Option<T>,
}

impl<T> Data<T> {
    pub(crate) fn new(read: ReadData<T>) -> Data<T> {
        Data { read, value: None }
    }

    /// Adds the data to a success.
    pub(crate) fn add_to(self, step: Result<Step<()>, Error>) -> Step<Result<T, Error>> {
        match step {
            Ok(step) => step.map(|()| self.value.ok_or(Error::Finished)),
            Err(error) => Step::Ready(Err(error)),
        }
    }
}

impl<T> ResponseReader for Data<T> {
    fn read(
        &mut self,
        decoder: &Decoder<'_>,
        format: ResponseFormat,
        response: &Response<Bytes>,
    ) -> Result<(), Failure> {
        self.value = Some((self.read)(decoder, format, response)?);
        Ok(())
    }
}
